CREATE TABLE clerks (
    name TEXT PRIMARY KEY
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer TEXT NOT NULL,
    city TEXT NOT NULL,
    note TEXT NOT NULL,
    parcel TEXT
);
CREATE TABLE receipts (
    order_id INTEGER NOT NULL,
    letter TEXT NOT NULL
);
INSERT INTO clerks (name) VALUES ('ada'), ('ben');
INSERT INTO orders (id, customer, city, note, parcel) VALUES
    (1, 'Ines Moreau', 'Lyon', 'leave it with the neighbour', NULL),
    (2, 'Pavel Novak', 'Brno', 'a present so no bill inside', NULL),
    (3, 'Greta Lund', 'Malmo', 'ring twice', 'P-100'),
    (4, 'Tomas Silva', 'Porto', 'second floor', NULL),
    (5, 'Mirela Popa', 'Cluj', 'fragile', NULL);
