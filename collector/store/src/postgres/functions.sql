-- Functions that the nouns' SQL asks of PostgreSQL under the names that SQLite has them by (sql/dialect.rs), in the site's schema. Texts are compared
-- byte by byte. Made again at each start: nothing depends on them.
CREATE OR REPLACE FUNCTION instr(said text, part text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN strpos(said, part);
-- The larger and the smaller of two; none where one of them is none.
CREATE OR REPLACE FUNCTION max(one bigint, other bigint) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN greatest(one, other);
CREATE OR REPLACE FUNCTION min(one bigint, other bigint) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN least(one, other);
-- Seconds since 1970 of a moment as JSON has it; none where it is none.
CREATE OR REPLACE FUNCTION unixepoch(said text) RETURNS bigint LANGUAGE plpgsql STABLE STRICT AS $$
BEGIN
    RETURN floor(extract(epoch FROM said::timestamptz));
EXCEPTION WHEN others THEN
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION json_valid(said text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    PERFORM said::json;
    RETURN true;
EXCEPTION WHEN others THEN
    RETURN false;
END $$;
-- JSON as SQLite writes it, without spaces; everything else in it as it stands.
CREATE OR REPLACE FUNCTION json_compact(said json) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    CASE json_typeof(said)
    WHEN 'object' THEN
        RETURN (SELECT '{' || coalesce(string_agg(to_json(field.key)::text || ':' || json_compact(field.value), ',' ORDER BY field.place), '') || '}'
            FROM json_each(said) WITH ORDINALITY AS field (key, value, place));
    WHEN 'array' THEN
        RETURN (SELECT '[' || coalesce(string_agg(json_compact(element.value), ',' ORDER BY element.place), '') || ']'
            FROM json_array_elements(said) WITH ORDINALITY AS element (value, place));
    ELSE
        RETURN btrim(said::text, E' \t\n\r');
    END CASE;
END $$;
CREATE OR REPLACE FUNCTION json(said json) RETURNS json LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN json_compact(said)::json;
END $$;
CREATE OR REPLACE FUNCTION json(said text) RETURNS json LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN json_compact(said::json)::json;
END $$;
CREATE OR REPLACE FUNCTION json_quote(said text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN to_json(said)::text;
-- A place such as '$.info.id' or '$.said[0]' as PostgreSQL has it.
CREATE OR REPLACE FUNCTION json_place(place text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN string_to_array(replace(replace(substr(place, 3), '[', '.'), ']', ''), '.');
-- What stands at a place, as a text.
CREATE OR REPLACE FUNCTION json_extract(said text, place text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN said::json #>> json_place(place);
-- What the list or the object at a place has in it, each as a text.
CREATE OR REPLACE FUNCTION json_each(said text, place text) RETURNS TABLE (value text) LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    part json := said::json #> json_place(place);
BEGIN
    CASE json_typeof(part)
    WHEN 'array' THEN
        RETURN QUERY SELECT elements.value FROM json_array_elements_text(part) AS elements (value);
    WHEN 'object' THEN
        RETURN QUERY SELECT fields.value FROM json_each_text(part) AS fields (key, value);
    ELSE
    END CASE;
END $$;
-- Puts something at a place.
CREATE OR REPLACE FUNCTION json_set(said text, place text, what json) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN jsonb_set(said::jsonb, json_place(place), coalesce(what::jsonb, 'null'))::text;
CREATE OR REPLACE FUNCTION json_set(said text, place text, what text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN json_set(said, place, to_json(what));
CREATE OR REPLACE FUNCTION json_set(said text, place text, what bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN json_set(said, place, to_json(what));
-- All of a list, in its order.
CREATE OR REPLACE FUNCTION json_group_step(said text, one json) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN said = '' THEN '' ELSE said || ',' END || coalesce(one::text, 'null');
CREATE OR REPLACE FUNCTION json_group_end(said text) RETURNS json LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ('[' || said || ']')::json;
CREATE OR REPLACE AGGREGATE json_group_array(json) (SFUNC = json_group_step, STYPE = text, INITCOND = '', FINALFUNC = json_group_end);
-- A text without capitals and marks, as Vietnamese is read (sql/named.rs).
CREATE OR REPLACE FUNCTION folded(said text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN replace(regexp_replace(normalize(lower(said COLLATE "und-x-icu"), NFD), '[\u0300-\u036f]', '', 'g') COLLATE "C", 'đ', 'd');
-- Every text and number in a text of JSON; keys among them where they are asked for.
CREATE OR REPLACE FUNCTION json_texts(said json, with_keys boolean) RETURNS SETOF text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    CASE json_typeof(said)
    WHEN 'object' THEN
        IF with_keys THEN
            RETURN QUERY SELECT keys.key FROM json_object_keys(said) AS keys (key);
        END IF;
        RETURN QUERY SELECT texts.one FROM json_each(said) AS fields (key, value), json_texts(fields.value, with_keys) AS texts (one);
    WHEN 'array' THEN
        RETURN QUERY SELECT texts.one FROM json_array_elements(said) AS elements (value), json_texts(elements.value, with_keys) AS texts (one);
    WHEN 'string', 'number' THEN
        RETURN NEXT said #>> '{}';
    ELSE
    END CASE;
END $$;
CREATE OR REPLACE FUNCTION json_tree(said text) RETURNS TABLE (atom text) LANGUAGE sql IMMUTABLE STRICT
    BEGIN ATOMIC SELECT texts.one FROM json_texts(said::json, false) AS texts (one); END;
-- Whether a name stands anywhere in what a text says; one that is damaged is looked through as it is.
CREATE OR REPLACE FUNCTION names_person(said text, name text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    looked_for text := folded(name);
BEGIN
    IF said IS NULL OR name IS NULL THEN
        RETURN false;
    ELSIF strpos(said, '\') = 0 OR NOT json_valid(said) THEN
        RETURN strpos(folded(said), looked_for) > 0;
    END IF;
    RETURN EXISTS (SELECT 1 FROM json_texts(said::json, true) AS texts (one) WHERE strpos(folded(one), looked_for) > 0);
END $$;
-- Whether one of the texts in a text of JSON is this name, or what comes behind the last bar of one.
CREATE OR REPLACE FUNCTION says(said text, name text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF said IS NULL OR name IS NULL OR (strpos(said, '\') = 0 AND strpos(said, name) = 0) OR NOT json_valid(said) THEN
        RETURN false;
    END IF;
    RETURN EXISTS (SELECT 1 FROM json_texts(said::json, true) AS texts (one)
        WHERE one = name OR right(one, length(name) + 1) = '|' || name);
END $$;
-- A change of a document as evidence has it: what its row says is packed, and stands here as it is.
CREATE OR REPLACE FUNCTION change_line(identifier text, device bigint, name text, number bigint, at bigint, depth bigint, data bytea) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN json_build_object('device', identifier, 'name', name, 'number', number, 'at_ms', at, 'depth', depth, 'sealed', encode(data, 'hex'))::text;
