"""How pytest-xdist's workers share the tests."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling


class OneStack(LoadScopeScheduling):  # type: ignore[misc]
    """The end-to-end tests go to one worker, those of the artifact file by file, and each other test to the next worker
    that is free.

    One end-to-end test judges what all the others made the functions of the running stack do. They are the largest
    share, which is handed out first. The artifact's tests set up much for each file. (The option `--dist=loadgroup` is
    for this, but does nothing on pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith("tests/end_to_end/"):
            return "tests/end_to_end/"
        return nodeid.partition("::")[0] if nodeid.startswith("tests/artifact/") else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneStack:
    return OneStack(config, log)
