CREATE TABLE items (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    price_cents INTEGER NOT NULL,
    stock INTEGER NOT NULL
);
CREATE TABLE notes (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL
);
INSERT INTO items (id, name, price_cents, stock) VALUES
    (1, 'Teapot', 2450, 12),
    (2, 'Lantern', 1890, 7),
    (3, 'Notebook', 480, 90),
    (4, 'Umbrella', 1575, 23);
INSERT INTO notes (id, text) VALUES
    (1, 'Count the lanterns'),
    (2, 'Order more notebooks');
