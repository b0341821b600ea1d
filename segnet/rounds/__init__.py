"""Co-training rounds: propose regions, crop, correct, accept, and see what each round brought."""
