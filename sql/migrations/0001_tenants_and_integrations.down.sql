-- Before 0001 there is nothing: it refuses while there are tenants, unless told to discard them.
DO $$
BEGIN
    IF coalesce(current_setting('etl.discard', true), '') <> 'on' AND EXISTS (SELECT FROM tenants) THEN
        RAISE EXCEPTION 'there are % tenants, which nothing older can hold: --discard gives them up',
            (SELECT count(*) FROM tenants);
    END IF;
END
$$;
DROP TABLE integrations, tenants;
