-- What runs tell of themselves, line by line.

-- name: add_lines(run_ids, levels, messages)!
-- Lines of several runs in their order; those of runs that are gone are dropped.
INSERT INTO run_logs (run_id, level, message)
SELECT l.run_id, l.level, l.message
FROM unnest(:run_ids::bigint [], :levels::text [], :messages::text [])
    WITH ORDINALITY AS l (run_id, level, message, place)
WHERE EXISTS (SELECT FROM job_runs AS r WHERE r.id = l.run_id)
ORDER BY l.place;

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
