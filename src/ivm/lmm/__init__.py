"""Large multimodal models over the OpenAI protocol: any server that speaks it, hosted or on this machine.

client.py      `LmmClient`, which asks; blocking.py has `BlockingLmm`, the same for code without an event loop
questions.py   one question with all that decides its answer
messages.py    its messages, with pictures from arrays
prompts.py     prompts as files, with their versions
answers.py     what comes back, and what it took
structure.py   answers as JSON of a given schema
budget.py      prices, and the limit that is never passed
cache.py       answers kept on disk by their content
transport.py   requests, sent again after failures that pass: retrying.py says which do
completion.py  the body of an answer, read without trust
"""
