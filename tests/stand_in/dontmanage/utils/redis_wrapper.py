"""The framework's own. It only says so: a process that has it in use has not been given ours."""


class RedisWrapper:
    whose = "the framework's"

    @classmethod
    def from_url(cls, url):
        return cls()


def setup_cache():
    return RedisWrapper()


def only_the_framework_has_this():
    return "the framework's"
