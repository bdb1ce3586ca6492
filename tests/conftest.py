"""What every test can use; the fixtures themselves live in tests/support, a file per service."""

pytest_plugins = ["tests.support.forbid_skips", "tests.support.postgres", "tests.support.rabbitmq_fixtures"]
