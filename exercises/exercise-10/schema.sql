CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    link_key TEXT NOT NULL UNIQUE
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    item TEXT NOT NULL,
    pieces INTEGER NOT NULL
);
INSERT INTO customers (id, name, link_key) VALUES
    (1, 'Mira Holm', 'teal-otter-52'),
    (2, 'Jonas Vale', 'amber-finch-17');
INSERT INTO orders (id, customer_id, item, pieces) VALUES
    (1, 1, 'Teapot', 1),
    (2, 1, 'Notebook', 12),
    (3, 2, 'Lantern', 2),
    (4, 2, 'Umbrella', 1);
