CREATE TABLE items (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    price_cents INTEGER NOT NULL,
    stock INTEGER NOT NULL
);
CREATE TABLE customers (
    card TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    percent INTEGER
);
CREATE TABLE reservations (
    id INTEGER PRIMARY KEY,
    card TEXT NOT NULL,
    item_id INTEGER NOT NULL,
    quantity INTEGER NOT NULL
);
INSERT INTO items (id, name, price_cents, stock) VALUES
    (1, 'Teapot', 2450, 12),
    (2, 'Lantern', 1890, 7),
    (3, 'Notebook', 480, 90),
    (4, 'Umbrella', 1575, 23);
INSERT INTO customers (card, name, percent) VALUES
    ('rosa-17', 'Rosa', 10),
    ('ivo-03', 'Ivo', 0),
    ('mina-22', 'Mina', NULL);
INSERT INTO reservations (id, card, item_id, quantity) VALUES
    (1, 'ivo-03', 2, 1);
