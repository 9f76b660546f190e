"""A test with a broker of its own. Needs `pip install confluent-kafka`, and `ottla` on PATH (or OTTLA=/path/to/ottla)."""

import os
import subprocess
import unittest

from confluent_kafka import Consumer, Producer


class Ottla:
    """A broker in memory on a free port, for `with`."""

    def __enter__(self):
        command = [os.environ.get("OTTLA", "ottla"), "serve", "--data-dir", ":memory:", "--listen", "127.0.0.1:0"]
        # With the pipe, the broker also ends when this process dies.
        self.process = subprocess.Popen(
            [*command, "--print-address", "--stop-with-stdin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.bootstrap_servers = self.process.stdout.readline().strip()
        return self

    def __exit__(self, *_):
        self.process.communicate()


class OrdersTest(unittest.TestCase):
    def test_an_order_reaches_the_kitchen(self):
        with Ottla() as ottla:
            producer = Producer({"bootstrap.servers": ottla.bootstrap_servers})
            producer.produce("orders", "two coffees")
            producer.flush()

            consumer = Consumer(
                {
                    "bootstrap.servers": ottla.bootstrap_servers,
                    "group.id": "kitchen",
                    "auto.offset.reset": "earliest",
                }
            )
            consumer.subscribe(["orders"])
            record = consumer.poll(10)
            consumer.close()
            self.assertEqual(b"two coffees", record.value())


if __name__ == "__main__":
    unittest.main()
