"""The testbed: disposable Docker hosts in containers, with the sample application deployed.

Standard library only, so that it runs on a fresh machine before anything is installed:
``python3 -m testbed --help``, from the root of the checkout.
"""
