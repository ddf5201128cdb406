"""The crash matrix: every task of a playbook as the moment at which ansible-playbook dies."""
