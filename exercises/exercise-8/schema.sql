CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    day TEXT NOT NULL,
    customer TEXT NOT NULL,
    item TEXT NOT NULL,
    pieces INTEGER NOT NULL,
    cents INTEGER NOT NULL
);
CREATE TABLE visits (
    id INTEGER PRIMARY KEY,
    day TEXT NOT NULL,
    page TEXT NOT NULL
);
CREATE TABLE reports (
    day TEXT PRIMARY KEY,
    visits INTEGER NOT NULL
);
CREATE TABLE report_lines (
    day TEXT NOT NULL,
    item TEXT NOT NULL,
    pieces INTEGER NOT NULL CHECK (pieces >= 0)
);
INSERT INTO orders (day, customer, item, pieces, cents) VALUES
    ('2031-05-02', 'Ada', 'Lantern', 2, 3780),
    ('2031-05-02', 'Ben', 'Notebook', 12, 5760),
    ('2031-05-02', 'Cleo', 'Teapot', 1, 2450),
    ('2031-05-02', 'Ada', 'Notebook', 3, 1440),
    ('2031-05-03', 'Dora', 'Lantern', 1, 1890),
    ('2031-05-03', 'Ada', 'Notebook', -2, -960),
    ('2031-05-03', 'Ben', 'Teapot', 1, 2450),
    ('2031-05-03', 'Emil', 'Umbrella', 4, 6300);
INSERT INTO visits (day, page) VALUES
    ('2031-05-02', '/items/1'),
    ('2031-05-02', '/items/3'),
    ('2031-05-02', '/items/2'),
    ('2031-05-02', '/items/3'),
    ('2031-05-02', '/items/1'),
    ('2031-05-03', '/items/2'),
    ('2031-05-03', '/items/4'),
    ('2031-05-03', '/items/1');
