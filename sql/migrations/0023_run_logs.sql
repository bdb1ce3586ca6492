-- programs: >=0.1
-- The log of a run, bounded: its first lines and its last, and between them one that says how many are left out.

-- Of the lines of a run the first stay (so many, and so many bytes) and so do the last; between them one line says how many
-- were left out, `dropped` of them before they came here. False where nothing was cut, for there is no middle yet or
-- another is at it.
CREATE FUNCTION cut_run_log(
    of_run bigint, first_lines integer, first_bytes integer, last_lines integer, last_bytes integer, dropped bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    marker bigint;
    before bigint;
    middle bigint [];
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('etl-tui run log ' || of_run, 0)) THEN
        RETURN false;
    END IF;
    SELECT l.id, (l.fields ->> 'lines_left_out')::bigint INTO marker, before
    FROM run_logs AS l
    WHERE l.run_id = of_run AND l.fields ? 'lines_left_out'
    ORDER BY l.id
    LIMIT 1;
    middle := ARRAY(
        SELECT n.id
        FROM (
            SELECT
                l.id,
                count(*) OVER up AS lines_before,
                sum(octet_length(l.message)) OVER up AS bytes_before,
                count(*) OVER down AS lines_behind,
                sum(octet_length(l.message)) OVER down AS bytes_behind
            FROM run_logs AS l
            WHERE l.run_id = of_run AND NOT l.fields ? 'lines_left_out'
            WINDOW
                up AS (ORDER BY l.id ROWS UNBOUNDED PRECEDING),
                down AS (ORDER BY l.id DESC ROWS UNBOUNDED PRECEDING)
        ) AS n
        -- What once was cut stays cut: nothing is added to the first lines behind it.
        WHERE (n.lines_before > first_lines OR n.bytes_before > first_bytes OR n.id > marker)
            AND (n.lines_behind > last_lines OR n.bytes_behind > last_bytes)
        ORDER BY n.id
    );
    IF cardinality(middle) = 0 THEN
        IF marker IS NULL OR dropped = 0 THEN
            RETURN false;
        END IF;
    ELSIF marker IS NULL THEN
        marker := middle[1];
    END IF;
    DELETE FROM run_logs WHERE id = ANY(middle) AND id <> marker;
    before := coalesce(before, 0) + cardinality(middle) + dropped;
    UPDATE run_logs
    SET level = 'warning', message = format('... %s lines left out ...', before),
        fields = jsonb_build_object('lines_left_out', before)
    WHERE id = marker;
    RETURN true;
END
$$;
