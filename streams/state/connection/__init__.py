"""How Redis is reached: clients, pipelining, and what its errors mean."""
