-- Who decides for the site: one row, by the database's clock alone. Whoever takes it gets a fence, which only ever grows; a commit counts only while
-- its fence is the newest and its time is not over, and the database itself looks (fence_check).
CREATE TABLE lease (
    one bigint PRIMARY KEY CHECK (one = 1),
    fence bigint NOT NULL CHECK (fence >= 0),
    holder text COLLATE "C" NOT NULL,
    until timestamptz NOT NULL,
    renewed bigint NOT NULL CHECK (renewed >= 0),
    pages text COLLATE "C" NOT NULL DEFAULT ''
);
INSERT INTO lease (one, fence, holder, until, renewed) VALUES (1, 0, '', '-infinity', 0);
-- Every fence that was ever given, by whoever it was taken: a checker reads from it that no two held at once.
CREATE TABLE lease_history (
    fence bigint PRIMARY KEY CHECK (fence > 0),
    holder text COLLATE "C" NOT NULL,
    taken_at timestamptz NOT NULL,
    previous_until timestamptz NOT NULL,
    previous_unmoved boolean NOT NULL,
    commits bigint NOT NULL
);
CREATE FUNCTION lease_history_in_order() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.fence IS DISTINCT FROM (SELECT coalesce(max(fence), 0) + 1 FROM lease_history) THEN
        RAISE EXCEPTION 'fences are given one after the other';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER lease_history_in_order BEFORE INSERT ON lease_history FOR EACH ROW EXECUTE FUNCTION lease_history_in_order();
CREATE TRIGGER lease_history_no_change BEFORE UPDATE OR DELETE ON lease_history FOR EACH ROW EXECUTE FUNCTION refuse('the history of fences is append-only');
CREATE TRIGGER lease_history_no_truncate BEFORE TRUNCATE ON lease_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('the history of fences is append-only');
-- A lease that is deleted would begin its fences anew.
CREATE TRIGGER lease_no_delete BEFORE DELETE ON lease FOR EACH ROW EXECUTE FUNCTION refuse('the lease stays');
CREATE TRIGGER lease_no_truncate BEFORE TRUNCATE ON lease FOR EACH STATEMENT EXECUTE FUNCTION refuse('the lease stays');

-- Takes the lease when nobody holds it; gives its fence, or none. `unmoved_fence` and `unmoved_renewed` are what whoever asks has seen unchanged for
-- longer than a lease lasts, by a clock of its own that nobody sets: where the database's clock was set back, an end far in the future is no end.
--
-- FOR UPDATE waits for commits that have passed fence_check and are not through yet, and no commit passes it meanwhile.
CREATE FUNCTION lease_take(who text, lasts interval, unmoved_fence bigint, unmoved_renewed bigint, pages_at text) RETURNS bigint
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    held lease%ROWTYPE;
    unmoved boolean;
    held_commits bigint;
BEGIN
    -- A lease that is held is looked at without a lock, so that whoever waits for it slows nobody down.
    FOR attempt IN 1..2 LOOP
        IF attempt = 1 THEN
            SELECT * INTO STRICT held FROM lease WHERE one = 1;
        ELSE
            SELECT * INTO STRICT held FROM lease WHERE one = 1 FOR UPDATE;
        END IF;
        unmoved := held.until > clock_timestamp() + lasts AND held.fence = unmoved_fence AND held.renewed = unmoved_renewed;
        IF held.until > clock_timestamp() AND unmoved IS NOT TRUE THEN
            RETURN NULL;
        END IF;
    END LOOP;
    held_commits := greatest((SELECT commits FROM state), (SELECT max(number) FROM watermark_log), 0);
    INSERT INTO lease_history (fence, holder, taken_at, previous_until, previous_unmoved, commits)
        VALUES (held.fence + 1, who, clock_timestamp(), held.until, coalesce(unmoved, false), held_commits);
    UPDATE lease SET fence = held.fence + 1, holder = who, until = clock_timestamp() + lasts, renewed = 0, pages = pages_at
        WHERE one = 1;
    RETURN held.fence + 1;
END $$;

-- Goes on holding it: true, or false when it is over. It waits for no commit (their lock goes with this one's).
CREATE FUNCTION lease_renew(who text, own_fence bigint, lasts interval) RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE lease SET until = clock_timestamp() + lasts, renewed = renewed + 1
        WHERE one = 1 AND fence = own_fence AND holder = who AND until > clock_timestamp();
    RETURN FOUND;
END $$;

-- Ends it before its time, so that the next one need not wait.
CREATE FUNCTION lease_release(who text, own_fence bigint) RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE lease SET until = clock_timestamp() WHERE one = 1 AND fence = own_fence AND holder = who AND until > clock_timestamp();
    RETURN FOUND;
END $$;

-- Said in every transaction that writes, in one message with its COMMIT: raises an error, and nothing is committed, unless this fence holds the lease.
CREATE FUNCTION fence_check(who text, own_fence bigint) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM 1 FROM lease WHERE one = 1 AND fence = own_fence AND holder = who AND until > clock_timestamp() FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the lease of this site is not held by % with fence % any more', who, own_fence USING ERRCODE = 'IO001';
    END IF;
END $$;

COMMENT ON TABLE lease IS 'Which collector decides for this site. One row. Only the clock of the database counts.';
COMMENT ON COLUMN lease.one IS 'Always 1.';
COMMENT ON COLUMN lease.fence IS 'Counted up each time that it is taken; 0 before it ever was.';
COMMENT ON COLUMN lease.holder IS 'The collector that holds it, as its configuration calls it; empty before anyone did.';
COMMENT ON COLUMN lease.until IS 'Until when, unless it is renewed: every 2 s, for 8 s each time.';
COMMENT ON COLUMN lease.renewed IS 'How often it was renewed since it was taken.';
COMMENT ON COLUMN lease.pages IS 'Where the pages of whoever holds it are; empty where that is not known.';
COMMENT ON TABLE lease_history IS 'Every fence that was ever given. Append-only.';
COMMENT ON COLUMN lease_history.fence IS 'From 1, without a gap.';
COMMENT ON COLUMN lease_history.holder IS 'The collector that took the lease.';
COMMENT ON COLUMN lease_history.taken_at IS 'When, by the database''s clock.';
COMMENT ON COLUMN lease_history.previous_until IS 'Until when the fence before it was promised at last. Never later than taken_at, unless previous_unmoved.';
COMMENT ON COLUMN lease_history.previous_unmoved IS 'The clock of the database had been set back: the fence before it was seen not to be renewed for longer than a lease lasts.';
COMMENT ON COLUMN lease_history.commits IS 'How many commits the store held then: later ones, up to the next fence, are of this one.';
