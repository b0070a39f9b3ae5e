"""Writers: finished records in, bytes out. They touch no file, database or clock."""
