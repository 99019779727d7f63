"""What a photograph shows, painted in a style: by gradients, or by a network that learnt one."""
