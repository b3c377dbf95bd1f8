"""A whole mirror through the PyPI client qemu.qmp: python3 mirror.py SOCKET DEVICE TARGET"""

import asyncio
import sys

from qemu.qmp import QMPClient


async def main(socket, device, target):
    client = QMPClient("a test")
    await client.connect(socket)
    events = []
    ready, over = asyncio.Event(), asyncio.Event()

    async def listen():
        with client.listener() as listener:
            async for event in listener:
                data = event["data"]
                events.append(data.get("status", event["event"]))
                if event["event"] == "BLOCK_JOB_READY":
                    ready.set()
                if data.get("status") == "null":
                    over.set()
                    return

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    arguments = {"job-id": "j", "device": device, "target": target, "sync": "full"}
    await client.execute("drive-mirror", arguments)
    await ready.wait()
    await client.execute("block-job-complete", {"device": "j"})
    await over.wait()
    await listening
    print(" ".join(events))
    await client.execute("quit")
    await client.disconnect()


asyncio.run(main(*sys.argv[1:]))
