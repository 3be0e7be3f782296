CREATE TABLE items (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    price_cents INTEGER NOT NULL
);
INSERT INTO items (id, name, price_cents) VALUES
    (1, 'Teapot', 2450),
    (2, 'Lantern', 1890),
    (3, 'Notebook', 480),
    (4, 'Umbrella', 1575);
CREATE TABLE views (
    item_id INTEGER NOT NULL,
    number INTEGER NOT NULL
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    item_id INTEGER NOT NULL,
    quantity INTEGER NOT NULL
);
INSERT INTO orders (id, item_id, quantity) VALUES
    (1, 1, 2),
    (2, 3, 10),
    (3, 2, 1),
    (4, 1, 1);
