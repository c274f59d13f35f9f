-- Rows of history as reported are partitioned by their number, not by time. They come in the order of their numbers, are found by number (each names the
-- one before it), and are forgotten up to a number once they are folded: a partition that lies below it is dropped whole, which gives its room back at
-- once and leaves nothing to vacuum. Their times fit none of that: a backlog brings rows of last week after those of today, and a key with the time in it
-- would have to look into every partition for a row. What has to be kept for so long by the law is in the schema of history, by time and device.
--
-- A partition has 2^20 rows: half a gigabyte, 3 hours of 1,000 devices at 10 s, 6 minutes of 30,000.

-- Makes the partitions that rows up to one need, and gives up to which row there is room. They are made beside the table and then joined to it, which
-- waits for no reader.
CREATE FUNCTION make_sample_partitions(through bigint) RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    span CONSTANT bigint := 1048576;
    part bigint;
    named text;
BEGIN
    FOR part IN greatest(through, 1) / span - 1 .. greatest(through, 1) / span LOOP
        named := 'sample_' || part;
        -- The one before it is made too: the first rows of a store begin anywhere.
        CONTINUE WHEN part < 0 OR to_regclass(named) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE sample INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS, CONSTRAINT within CHECK (number >= %s AND number < %s))',
            named, part * span, (part + 1) * span);
        EXECUTE format('ALTER TABLE sample ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', named, part * span, (part + 1) * span);
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT within', named);
        EXECUTE format('COMMENT ON TABLE %I IS %L', named, format('Rows %s to %s of sample.', part * span, (part + 1) * span - 1));
    END LOOP;
    RETURN (greatest(through, 1) / span + 1) * span - 1;
END $$;

-- Drops the partitions of which every row is at or below one, and gives how many rows went with them, by their numbers. One that is being read (a backup
-- reads for hours) is left for the next time, and what comes behind it: nobody who writes waits for that.
CREATE FUNCTION drop_sample_partitions(through bigint) RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout TO '100ms' AS $$
DECLARE
    span CONSTANT bigint := 1048576;
    part record;
    gone bigint := 0;
    held bigint;
BEGIN
    FOR part IN SELECT c.relname, substr(c.relname, 8)::bigint AS number FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'sample'::regclass AND c.relname ~ '^sample_[0-9]+$' AND (substr(c.relname, 8)::bigint + 1) * span - 1 <= through
        ORDER BY number LOOP
        BEGIN
            EXECUTE format('SELECT coalesce(max(number) - min(number) + 1, 0) FROM %I', part.relname) INTO held;
            EXECUTE format('DROP TABLE %I', part.relname);
        EXCEPTION WHEN lock_not_available THEN
            EXIT;
        END;
        gone := gone + held;
    END LOOP;
    RETURN gone;
END $$;
SELECT make_sample_partitions(1);
