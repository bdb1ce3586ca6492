-- It refuses while there are settings, unless told to discard them.
DO $$
BEGIN
    IF coalesce(current_setting('etl.discard', true), '') <> 'on' AND EXISTS (SELECT FROM system_settings) THEN
        RAISE EXCEPTION 'the older schema cannot hold the % system settings: --discard gives them up',
            (SELECT count(*) FROM system_settings);
    END IF;
END
$$;
DROP TABLE system_settings;
