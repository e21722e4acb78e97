"""More than one machine: ingests, which talk to IOCs, and edges, which talk to browsers."""
