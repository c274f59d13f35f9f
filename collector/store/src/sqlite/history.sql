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
CREATE TABLE series (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
-- Up to which row every device is folded.
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    folded INTEGER NOT NULL
);
INSERT INTO state (one, folded) VALUES (1, 0);
-- What was deleted for its age or found to be damaged, and does not stand in the audit log yet: chunks, and rows and chunks.
CREATE TABLE unrecorded (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    deleted INTEGER NOT NULL,
    corrupt INTEGER NOT NULL
);
INSERT INTO unrecorded (one, deleted, corrupt) VALUES (1, 0, 0);
-- Evidence of chunks that were deleted, which the store does not have yet: one for each tier, until it is told (archive_deletion.rs).
CREATE TABLE deletion (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    tier INTEGER NOT NULL,
    -- The beginning of the oldest chunk, and of the newest.
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    count INTEGER NOT NULL,
    digest TEXT NOT NULL,
    -- What identifies it in the store.
    key TEXT NOT NULL,
    -- It was told: what is deleted later begins another.
    told INTEGER NOT NULL
);
-- What was not as it was written, as it was found, for whoever wants to save something of it by hand: nothing reads it again.
CREATE TABLE damaged (
    number INTEGER PRIMARY KEY,
    -- Nobody's where its row named a device that is not known.
    device TEXT,
    -- row, piece, chunk, chunk-5m, chunk-1h
    part TEXT NOT NULL,
    -- When the row was reported, or the chunk begins.
    start INTEGER NOT NULL,
    layout INTEGER,
    data BLOB NOT NULL
);
-- All series of a device over the span of a chunk. They lie in the order in which they were made, so that pages are full, and what is
-- past its time lies together.
CREATE TABLE chunk (
    number INTEGER PRIMARY KEY,
    device INTEGER NOT NULL,
    tier INTEGER NOT NULL,
    chunk INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE UNIQUE INDEX chunk_by_device ON chunk (device, tier, chunk);
CREATE INDEX chunk_by_age ON chunk (tier, chunk);
-- What is folded of a chunk as reported that is not whole yet, in order.
CREATE TABLE piece (
    number INTEGER PRIMARY KEY,
    device INTEGER NOT NULL,
    chunk INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX piece_by_device ON piece (device, chunk);
