-- How new fields are taken, and where rows go, has no place in the older schema: it refuses while that is not as it was.
-- What walks have seen is not missed: they end without deletions.
DO $$
BEGIN
    IF coalesce(current_setting('etl.discard', true), '') <> 'on' AND (
        EXISTS (SELECT FROM integrations WHERE schema_mode <> 'evolve' OR destination_url IS NOT NULL)
    ) THEN
        RAISE EXCEPTION 'the older schema cannot hold how new fields are taken and other databases that rows go to: --discard gives that up';
    END IF;
END
$$;
DROP TABLE walk_keys, stream_walks, installation;
ALTER TABLE integrations DROP COLUMN schema_mode, DROP COLUMN destination_url;
