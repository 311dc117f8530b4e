"""The mailbox of stacks, without Ray."""

from __future__ import annotations

import asyncio

from tuner.execution.stacking.mailbox import Mailbox


def test_whichever_comes_first_waits_for_the_other() -> None:
    async def conversation() -> list[str]:
        mailbox = Mailbox()
        taking = asyncio.create_task(mailbox.take("a", 1))
        await asyncio.sleep(0)
        await mailbox.give("a", 1, "first")
        await mailbox.give("b", 1, "other stack")
        return [await taking, await mailbox.take("b", 1)]

    assert asyncio.run(conversation()) == ["first", "other stack"]


def test_an_answer_may_be_given_and_taken_again_until_the_next_one() -> None:
    async def conversation() -> list[str]:
        mailbox = Mailbox()
        await mailbox.give("a", 1, "answer")
        await mailbox.give("a", 1, "not this one")
        answers = [await mailbox.take("a", 1), await mailbox.take("a", 1)]
        await mailbox.give("a", 2, "next")
        return [*answers, await mailbox.take("a", 2)]

    assert asyncio.run(conversation()) == ["answer", "answer", "next"]
