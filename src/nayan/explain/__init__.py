"""The glass box: networks are watched from outside; every explanation is a story."""
