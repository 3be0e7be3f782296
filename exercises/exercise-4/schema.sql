CREATE TABLE items (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    price_cents INTEGER NOT NULL,
    weight_grams INTEGER NOT NULL,
    stock INTEGER NOT NULL
);
CREATE TABLE discounts (
    item_id INTEGER NOT NULL,
    from_quantity INTEGER NOT NULL,
    percent INTEGER NOT NULL
);
INSERT INTO items (id, name, price_cents, weight_grams, stock) VALUES
    (1, 'Teapot', 2450, 900, 12),
    (2, 'Lantern', 1890, 650, 7),
    (3, 'Notebook', 480, 210, 90),
    (4, 'Umbrella', 1575, 480, 23),
    (5, 'Doormat', 1250, 0, 14);
INSERT INTO discounts (item_id, from_quantity, percent) VALUES
    (1, 3, 5),
    (3, 10, 10),
    (3, 50, 20);
