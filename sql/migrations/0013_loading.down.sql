-- How an integration takes new fields has no place in the older schema: it refuses while one does not do as it always did.
DO $$
BEGIN
    IF coalesce(current_setting('etl.discard', true), '') <> 'on' AND (
        EXISTS (SELECT FROM integrations WHERE schema_mode <> 'evolve')
    ) THEN
        RAISE EXCEPTION 'the older schema cannot hold how new fields are taken: --discard gives that up';
    END IF;
END
$$;
ALTER TABLE integrations DROP COLUMN schema_mode;
