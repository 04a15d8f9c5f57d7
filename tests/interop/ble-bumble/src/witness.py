"""A bumble host, driven by lines of JSON.

Requests come on standard input, `{"number": 1, "do": "read", ...}`, and are answered on standard output in any order with
`{"number": 1, "result": ...}` or `{"number": 1, "failure": "..."}`. What happens by itself is told as `{"event": "...", ...}`.
What can be asked is the methods of the classes named in REQUESTS, with the request's members as arguments. Ends with its input.
"""

import asyncio
import json
import logging
import sys

from central import Central
from channels import Channels
from controllers import Controllers
from peripheral import Peripheral
from radio import Radio


class Witness:
    def __init__(self):
        radio = Radio(self.tell)
        channels = Channels(radio, self.tell)
        parts = [radio, channels, Central(radio, self.tell), Peripheral(radio, channels, self.tell), Controllers()]
        self.requests = {
            name: getattr(part, name) for part in parts for name in dir(part) if asyncio.iscoroutinefunction(getattr(part, name))
        }

    def write(self, line):
        sys.stdout.write(json.dumps(line) + '\n')
        sys.stdout.flush()

    def tell(self, event, **details):
        self.write({'event': event, **details})

    async def answer(self, number, do, arguments):
        try:
            self.write({'number': number, 'result': await self.requests[do](**arguments)})
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # every failure is an answer
            self.write({'number': number, 'failure': f'{type(error).__name__}: {error}', 'code': getattr(error, 'error_code', None)})

    async def run(self):
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=1 << 24)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        tasks = set()
        while line := await reader.readline():
            request = json.loads(line)
            task = loop.create_task(self.answer(request.pop('number'), request.pop('do'), request))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        for task in tasks:
            task.cancel()


if __name__ == '__main__':
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    asyncio.run(Witness().run())
