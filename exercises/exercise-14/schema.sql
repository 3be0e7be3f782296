CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer TEXT NOT NULL,
    parcel TEXT
);
INSERT INTO orders (id, customer, parcel) VALUES
    (1, 'Ada', 'P-0'),
    (2, 'Ben', NULL);
CREATE TABLE parcels (
    order_id INTEGER NOT NULL,
    customer TEXT NOT NULL,
    parcel TEXT NOT NULL
);
CREATE TABLE shifts (
    id INTEGER PRIMARY KEY,
    ended INTEGER NOT NULL
);
