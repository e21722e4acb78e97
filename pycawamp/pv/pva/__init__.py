"""The pvAccess backend."""
