"""Networks that draw, translate, restore, restyle and describe pictures, a family a folder."""
