-- What runs tell of themselves, line by line.

-- name: add_lines(run_ids, ages, levels, messages, fields)!
-- Lines of several runs in their order, told so many seconds ago; those of runs that are gone are dropped.
INSERT INTO run_logs (run_id, at, level, message, fields)
SELECT l.run_id, clock_timestamp() - make_interval(secs => l.age), l.level, l.message, l.fields
FROM unnest(:run_ids::bigint [], :ages::float [], :levels::text [], :messages::text [], :fields::jsonb [])
    WITH ORDINALITY AS l (run_id, age, level, message, fields, place)
WHERE EXISTS (SELECT FROM job_runs AS r WHERE r.id = l.run_id)
ORDER BY l.place;

-- name: add_line(run_id, level, message, fields)!
-- One line, in the transaction of what it tells of.
INSERT INTO run_logs (run_id, level, message, fields) VALUES (:run_id, :level, :message, :fields);

-- name: cut_log(run_id, first_lines, first_bytes, last_lines, last_bytes, dropped)$
-- Leaves the middle of a log out, if it is that long; whether it did. `dropped` lines never came here.
SELECT cut_run_log(:run_id, :first_lines, :first_bytes, :last_lines, :last_bytes, :dropped);

-- name: list_lines(run_id, after, levels, text, at_most)
-- The lines of a run behind a line (0: all), in their order: of these levels, in which a text stands (in any case); null
-- is any.
SELECT id, at, level, message, fields FROM run_logs
WHERE run_id = :run_id AND id > :after
    AND (:levels::text [] IS NULL OR level = ANY(:levels))
    AND (:text::text IS NULL OR position(lower(:text) IN lower(message || ' ' || fields::text)) > 0)
ORDER BY id
LIMIT :at_most;

-- name: list_last_lines(run_id, levels, text, at_most)
-- The last of these lines, in their order.
SELECT last.* FROM (
    SELECT id, at, level, message, fields FROM run_logs
    WHERE run_id = :run_id
        AND (:levels::text [] IS NULL OR level = ANY(:levels))
        AND (:text::text IS NULL OR position(lower(:text) IN lower(message || ' ' || fields::text)) > 0)
    ORDER BY id DESC
    LIMIT :at_most
) AS last
ORDER BY last.id;
