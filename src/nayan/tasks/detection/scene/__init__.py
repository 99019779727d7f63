"""What happens before a camera: lines that are crossed, zones that fill, shelves that empty."""
