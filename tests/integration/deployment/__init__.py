"""What administrators take as it is: deploy/, and the guide for two machines."""
