"""How well do laws fitted to small runs forecast larger ones, over many measured sets?"""
