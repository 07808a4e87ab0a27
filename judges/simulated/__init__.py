"""A simulated provider: a real HTTP server with planted biases and faults, for the demo and tests.

It speaks OpenAI's chat completions on 127.0.0.1 and sees only what a real provider sees, the body
of the request. It finds the two responses in the prompt because it knows a list of texts with their
quality, and reads from the prompt which answers are allowed.

    truth       the known texts and their quality, indexed so that a prompt is searched in one pass
    finding     prompt -> the two responses, under any template
    menu        prompt -> how the verdict is to be written
    behaviour   a model's planted accuracy, biases, noise and faults; the choice it makes
    reply       body of a request -> text of the reply
    server      the only module that imports aiohttp: routes, faults, errors, the request log
    process     `running`: the server in a process of its own, for tests and the demo

All but server and process are pure. `python -m judges.simulated --help` starts it by hand.
"""

from judges.simulated.behaviour import (
    EXAMPLES,
    SIM_FIRST,
    SIM_SHARP,
    SIM_VERBOSE,
    Behaviour,
    Choice,
    Fault,
    read_behaviours,
    write_behaviours,
)
from judges.simulated.finding import find_responses
from judges.simulated.process import SimulatedProvider, running
from judges.simulated.requestlog import LogLine, body_sha256, read_log
from judges.simulated.truth import Truth

__all__ = [
    "EXAMPLES",
    "SIM_FIRST",
    "SIM_SHARP",
    "SIM_VERBOSE",
    "Behaviour",
    "Choice",
    "Fault",
    "LogLine",
    "SimulatedProvider",
    "Truth",
    "body_sha256",
    "find_responses",
    "read_behaviours",
    "read_log",
    "running",
    "write_behaviours",
]
