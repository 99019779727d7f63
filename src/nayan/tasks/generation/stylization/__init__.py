"""What a photograph shows, painted as a picture is painted: by gradients, or by a network that learnt one style."""
