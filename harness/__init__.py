"""Code that tests and measurements share: a browser, the console's page, IOCs, a cluster."""
