"""A model that takes its time: it sleeps for as many seconds as it is told."""

import asyncio
import json


def init():
    """Nothing to load."""


async def run(raw_data):
    """Sleep, and say so; a cancelled request ends the sleep."""
    sleep_s = json.loads(raw_data)["sleep_s"]
    await asyncio.sleep(sleep_s)
    return {"slept_s": sleep_s}
