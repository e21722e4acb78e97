"""HTTP and WebSockets: browsers on one side, sessions on the other."""
