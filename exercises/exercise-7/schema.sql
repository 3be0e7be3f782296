CREATE TABLE stock (
    warehouse TEXT NOT NULL,
    item TEXT NOT NULL,
    pieces INTEGER NOT NULL,
    capacity INTEGER NOT NULL,
    PRIMARY KEY (warehouse, item),
    CONSTRAINT enough_pieces CHECK (pieces >= 0),
    CONSTRAINT enough_room CHECK (pieces <= capacity)
);
INSERT INTO stock (warehouse, item, pieces, capacity) VALUES
    ('harbour', 'teapot', 12, 40),
    ('station', 'teapot', 5, 20),
    ('harbour', 'lantern', 30, 60),
    ('station', 'lantern', 9, 10),
    ('harbour', 'umbrella', 23, 25);
