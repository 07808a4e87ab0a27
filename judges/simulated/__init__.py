"""A simulated provider: a real HTTP server with planted biases and faults, for the demo and tests.

It speaks OpenAI's chat completions and Anthropic's Messages on 127.0.0.1 and sees only what a real
provider sees, the body of the request. It finds the responses in the prompt because it knows a list
of texts with their quality, and reads from the prompt what is asked and which answers are allowed.

    truth       the known texts and their quality, indexed so that a prompt is searched in one pass
    finding     prompt -> the responses it shows, under any template (with labels and empty)
    menu        prompt -> how a verdict is to be written
    questions   prompt -> whether a verdict, a rating, a rubric or a ranking is asked for
    behaviour   a model's planted accuracy, biases, noise and faults
    deciding    what it decides, and the planted probability of that
    answers     the answer to a question, in pieces (writing) and with reasons (reasons)
    faults      what a request meets instead of a reply, and when
    reply       body of a request -> its reply
    shape       what the APIs have in common; openai_shape, anthropic_shape: how each is written
    provider    what is kept between requests: the models, their fates, the request log
    live        one request at a time: its fate, its reply or what goes wrong instead
    batches     many requests at a time, worked through by a task; openai_batches (with
                openai_jsonl) and anthropic_batches are how each provider has them
    server      the routes, and the server from start to end
    process     `running`: the server in a process of its own, for tests and the demo

Only live, server and the two modules of batches import aiohttp. By hand it is started with
`python -m judges.simulated --help`.
"""

from judges.simulated.behaviour import (
    EXAMPLES,
    SIM_FIRST,
    SIM_SHARP,
    SIM_VERBOSE,
    Behaviour,
    read_behaviours,
    write_behaviours,
)
from judges.simulated.deciding import Choice
from judges.simulated.faults import Fault
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
