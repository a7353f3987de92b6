"""What people and scripts see: one model, and one renderer a surface."""
