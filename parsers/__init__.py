"""Readers: text or bytes in, records and rejects out. They touch no file, database or clock."""
