"""Who may do what with rules: people, their tokens and their roles.

- `file`: the file that names people, and how a token becomes what it holds
- `person`: a person and their roles
"""
