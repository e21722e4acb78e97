"""pvAccess."""
