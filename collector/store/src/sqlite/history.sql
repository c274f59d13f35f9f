-- Folded history, in a file of its own. Times are milliseconds since 1970-01-01T00:00:00Z.
-- Which store it belongs to (fold_mark.rs). One row.
CREATE TABLE store (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL
);
-- A token for each time that all of it was made safe.
CREATE TABLE secured (
    number INTEGER PRIMARY KEY,
    token TEXT NOT NULL UNIQUE
);
CREATE TABLE device (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    -- Up to which row of the main file's table `sample` it is folded.
    folded INTEGER NOT NULL
);
-- The number 0 stands for the times of a block.
CREATE TABLE series (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
INSERT INTO series (number, name) VALUES (0, '');
CREATE TABLE chunk (
    device INTEGER NOT NULL,
    tier INTEGER NOT NULL,
    chunk INTEGER NOT NULL,
    series INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (device, tier, chunk, series)
) WITHOUT ROWID;
