"""A Modbus server of pymodbus, which we did not write, for the tests of sensors.

modbus_server.py --tcp PORT | --serial DEVICE [--baud N]     units on standard input, one JSON object:
    {"1": {"3": {"0": [1, 2]}, "4": {"1": [305]}}}           unit, function, first address, words
Further lines of the same form change words while it runs. It prints "ready" when it listens.
"""
import argparse
import asyncio
import json
import sys

from pymodbus import FramerType
from pymodbus.datastore import ModbusDeviceContext, ModbusServerContext, ModbusSparseDataBlock
from pymodbus.server import ModbusSerialServer, ModbusTcpServer

NAMES = {"1": "co", "2": "di", "3": "hr", "4": "ir"}


def blocks(tables):
    """The words of one unit. Blocks of pymodbus count from 1."""
    made = {}
    for function, name in NAMES.items():
        words = {}
        for start, values in tables.get(function, {}).items():
            words.update({int(start) + 1 + place: value for place, value in enumerate(values)})
        made[name] = ModbusSparseDataBlock(words or {60000: 0})
    return made


async def changes(context):
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        for unit, tables in json.loads(line).items():
            for function, stretches in tables.items():
                for start, values in stretches.items():
                    context[int(unit)].store[NAMES[function][0]].setValues(int(start) + 1, values)
        print("changed", flush=True)


async def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--tcp", type=int)
    arguments.add_argument("--serial")
    arguments.add_argument("--baud", type=int, default=9600)
    given = arguments.parse_args()
    units = json.loads(sys.stdin.readline())
    devices = {int(unit): ModbusDeviceContext(**blocks(tables)) for unit, tables in units.items()}
    context = ModbusServerContext(devices=devices, single=False)
    if given.tcp:
        server = ModbusTcpServer(context, address=("127.0.0.1", given.tcp))
    else:
        server = ModbusSerialServer(context, framer=FramerType.RTU, port=given.serial, baudrate=given.baud)
    await server.serve_forever(background=True)
    print("ready", flush=True)
    await changes(context)
    await asyncio.Event().wait()


asyncio.run(main())
