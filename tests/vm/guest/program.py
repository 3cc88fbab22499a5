# A client of the daemon as a process of its own, to be killed and to be of any user. It makes one call, prints the
# reply, and stays on the bus until its input ends. Arguments: member, address, options as JSON.
import asyncio
import json
import sys

import bus


async def main(member, address, options):
    client = await bus.Client.connect()
    reply = await client.manager(member, "sa{sv}", address, bus.typed(json.loads(options)))
    print(json.dumps(reply), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main(*sys.argv[1:]))
