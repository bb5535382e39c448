"""Builds one switch with N hosts in Mininet with Linux bridges and prints the seconds for start and stop as JSON.

Run inside a network namespace of its own: Mininet puts its bridges where it is started.
"""

import json
import sys
import time

from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
from mininet.topo import Topo


class Star(Topo):
    def build(self, hosts):
        switch = self.addSwitch("s1")
        for number in range(1, hosts + 1):
            self.addLink(self.addHost("h%d" % number), switch)


setLogLevel("critical")
started = time.time()
network = Mininet(topo=Star(hosts=int(sys.argv[1])), switch=LinuxBridge, controller=None, waitConnected=False)
network.start()
up = time.time() - started
started = time.time()
network.stop()
print(json.dumps({"up": up, "down": time.time() - started}))
